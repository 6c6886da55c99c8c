import { WebSocketService } from "pulumi-websocket-server";

const chat = new WebSocketService("chat", {
  image: {
    build: { context: "server" },
    command: ["node", "main.ts"],
    port: 3000,
    path: "/socket.io/",
    healthPath: "/health",
    // The requests of a long-polling client must reach one task.
    stickinessSeconds: 3600,
  },
  backplane: "valkey",
  minTasks: 2,
});

export const { websocketUrl } = chat;

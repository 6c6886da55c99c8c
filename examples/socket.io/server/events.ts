/** The events between the clients and the server. */
export interface Message {
  readonly author: string;
  readonly text: string;
  /** Name of the task that has accepted the message. */
  readonly task: string;
}

export interface ClientEvents {
  /** Acknowledged with whether the message is valid. */
  message: (value: unknown, acknowledge?: (isAccepted: boolean) => void) => void;
}

export interface ServerEvents {
  /** The name of the client's task. */
  connected: (task: string) => void;
  message: (message: Message) => void;
}

const MAX_AUTHOR_CHARACTERS = 50;
const MAX_TEXT_CHARACTERS = 1000;

/** Returns what a client has sent as a message; `undefined` if it is not valid. */
export function toMessage(value: unknown, task: string): Message | undefined {
  const { author, text } = (value ?? {}) as Record<string, unknown>;
  return isText(author, MAX_AUTHOR_CHARACTERS) && isText(text, MAX_TEXT_CHARACTERS)
    ? { author, text, task }
    : undefined;
}

function isText(value: unknown, maxCharacters: number): value is string {
  return typeof value === "string" && value.length >= 1 && value.length <= maxCharacters;
}

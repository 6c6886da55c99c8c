/** The bodies of a load balancer's own responses, as they are observed on AWS, which does not document them. */
import type { Headers } from "../headers.ts";

/** The Server header of an Application Load Balancer's own responses. */
export const SERVER: Headers = [["Server", "awselb/2.0"]];

const TITLES: Readonly<Record<number, string>> = {
  301: "301 Moved Permanently",
  302: "302 Found",
  400: "400 Bad Request",
  405: "405 Not Allowed",
  408: "408 Request Time-out",
  414: "414 Request-URI Too Large",
  501: "501 Not Implemented",
  502: "502 Bad Gateway",
  503: "503 Service Temporarily Unavailable",
  504: "504 Gateway Time-out",
};

export interface Page {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** @param detail an explanation below the title. */
export function errorPage(status: number, detail?: string): Page {
  const heading = TITLES[status] ?? String(status);
  const title = detail === undefined ? heading : `${String(status)} ${detail}`;
  const lines = [
    "<html>",
    `<head><title>${title}</title></head>`,
    "<body>",
    `<center><h1>${heading}</h1></center>`,
    ...(detail === undefined ? [] : [`<center>${detail}</center>`]),
    "</body>",
    "</html>",
    "",
  ];
  return { status, headers: [...SERVER, ["Content-Type", "text/html"]], body: lines.join("\r\n") };
}

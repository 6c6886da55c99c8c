/** How names are compared: in one case, or as they are written. */

export function foldCase(text: string): string {
  return text.toLowerCase();
}

export function keepCase(text: string): string {
  return text;
}

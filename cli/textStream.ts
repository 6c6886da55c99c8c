/** A destination of text: a terminal, a pipe, or a test's array. */
export interface TextStream {
  write(text: string): unknown;
}

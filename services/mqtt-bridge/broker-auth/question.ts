import type { Authority } from "./authority.ts";

/** Fields of a broker's question, from a query, a form or JSON: text all of them. */
export type Fields = Readonly<Record<string, string | undefined>>;

export interface Answer {
  status: number;
  type: "text/plain" | "application/json";
  body: string;
}

/** The answer to one kind of question. `allowed` is false, too, where the registry does not answer. */
export interface Question {
  allowed(authority: Authority, fields: Fields): boolean | Promise<boolean>;
  answer(allowed: boolean): Answer;
}

import { makeExecutableSchema } from "@graphql-tools/schema";
import { GraphQLError, type GraphQLSchema } from "graphql";
import { MAX_MESSAGES, type Message, type Messages } from "./messages.ts";

const MAX_AUTHOR_CHARACTERS = 50;
const MAX_TEXT_CHARACTERS = 1000;

const typeDefs = /* GraphQL */ `
  type Message {
    "Messages are in the order of their ids."
    id: ID!
    author: String!
    text: String!
    sentAt: String!
    "The task that has accepted the message."
    task: String!
  }

  type Query {
    "The latest messages, oldest first."
    messages(last: Int = 50): [Message!]!
  }

  type Mutation {
    postMessage(author: String!, text: String!): Message!
  }

  type Subscription {
    "New messages. With the id of a message, those after it that are retained come first, so a client that reconnects misses none."
    messageAdded(after: ID): Message!
  }
`;

/** @param task name of this task. */
export function createSchema(messages: Messages, task: string): GraphQLSchema {
  return makeExecutableSchema({
    typeDefs,
    resolvers: {
      Query: {
        messages: (_: unknown, { last }: { last: number }): readonly Message[] => {
          if (last < 1 || last > MAX_MESSAGES) throw badInput("last", last, `1 to ${MAX_MESSAGES}`);
          return messages.latest(last);
        },
      },
      Mutation: {
        postMessage: (_: unknown, { author, text }: { author: string; text: string }): Promise<Message> => {
          checkLength("author", author, MAX_AUTHOR_CHARACTERS);
          checkLength("text", text, MAX_TEXT_CHARACTERS);
          return messages.append({ author, text, sentAt: new Date().toISOString(), task });
        },
      },
      Subscription: {
        messageAdded: {
          subscribe: (_: unknown, { after }: { after?: string | null }) => {
            if (after != null && !/^\d+-\d+$/.test(after))
              throw badInput("after", after, "the id of a message");
            return messages.follow(after ?? undefined);
          },
          resolve: (message: Message) => message,
        },
      },
    },
  });
}

function checkLength(name: string, text: string, maxCharacters: number): void {
  if (text.length < 1 || text.length > maxCharacters)
    throw badInput(name, `${text.length} characters`, `1 to ${maxCharacters}`);
}

function badInput(name: string, got: unknown, expected: string): GraphQLError {
  return new GraphQLError(`\`${name}\`: got ${String(got)}; expected ${expected}.`, {
    extensions: { code: "BAD_USER_INPUT" },
  });
}

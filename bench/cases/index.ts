/** The cases: each with its load and its columns. */
import type { Case } from "../case.ts";
import { BROADCAST_CASES } from "./broadcast.ts";
import { CHANNEL_CASES } from "./channels.ts";
import { CONNECTION_CASES } from "./connections.ts";

export const CASES: readonly Case[] = [...BROADCAST_CASES, ...CONNECTION_CASES, ...CHANNEL_CASES];

/**
 * Scheduled actions as text: `cron(0 8 ? * MON-FRI *) 4-20 Europe/Berlin` sets a minimum of 4 and a maximum of 20 tasks at 8:00
 * from Monday to Friday.
 */
import { Cron } from "croner";

/** A scheduled action. */
export interface ScheduledAction {
  /** The six fields between `cron(` and `)`, separated by one space. */
  readonly cron: string;
  /** Minimum number of tasks from then on. */
  readonly min: number;
  /** Maximum number of tasks from then on. */
  readonly max: number;
  /** Name in the IANA database. @default UTC */
  readonly timeZone?: string;
}

export const SCHEDULED_ACTION =
  /cron\((?<cron>[^()]*)\) +(?<min>\d{1,4})-(?<max>\d{1,4})(?: +(?<timeZone>[A-Za-z][\w+/-]*))?/;

/** @returns `undefined` if the text does not match {@link SCHEDULED_ACTION}. */
export function parseScheduledAction(text: string): ScheduledAction | undefined {
  const { cron, min, max, timeZone } =
    new RegExp(`^${SCHEDULED_ACTION.source}$`).exec(text.trim())?.groups ?? {};
  if (cron === undefined) return undefined;
  return {
    cron: cron.trim().split(/\s+/).join(" "),
    min: Number(min),
    max: Number(max),
    ...(timeZone !== undefined && { timeZone }),
  };
}

/** Renders the text that {@link parseScheduledAction} reads. */
export function renderScheduledAction({ cron, min, max, timeZone }: ScheduledAction): string {
  return [`cron(${cron})`, `${min}-${max}`, ...(timeZone === undefined ? [] : [timeZone])].join(" ");
}

/** A field of a cron expression. */
interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** Names of the values from `min` on. */
  readonly names?: readonly string[];
  /** Whether numbers are legal. @default true */
  readonly hasNumbers?: boolean;
  /** Whether `?` is legal. @default false */
  readonly hasAny?: boolean;
}

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const DAY_OF_MONTH: Field = { name: "day of the month", min: 1, max: 31, hasAny: true };
/** AWS documents the number 2 as Tuesday on one page and as Monday on the page to which that one refers. */
const DAY_OF_WEEK: Field = {
  name: "day of the week",
  min: 1,
  max: 7,
  names: DAYS,
  hasNumbers: false,
  hasAny: true,
};

/**
 * The fields of AWS's cron expressions, without `L`, `W` and `#`.
 * @see https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
 */
const FIELDS: readonly Field[] = [
  { name: "minutes", min: 0, max: 59 },
  { name: "hours", min: 0, max: 23 },
  DAY_OF_MONTH,
  { name: "month", min: 1, max: 12, names: MONTHS },
  DAY_OF_WEEK,
  { name: "year", min: 1970, max: 2199 },
];

/** Describes what a cron expression must be, as an object of "expected"; `undefined` if it is legal. */
export function expectedCron(cron: string): string | undefined {
  const texts = cron.split(" ");
  if (texts.length !== FIELDS.length) {
    return `a cron expression of ${FIELDS.length} fields: ${FIELDS.map(({ name }) => name).join(", ")}`;
  }
  for (const [index, field] of FIELDS.entries()) {
    if (!isLegal(texts[index] ?? "", field)) return `${describeField(field)} in field ${index + 1}`;
  }
  const anyDays = [DAY_OF_MONTH, DAY_OF_WEEK].filter((field) => texts[FIELDS.indexOf(field)] === "?");
  return anyDays.length === 1
    ? undefined
    : `? for either the ${DAY_OF_MONTH.name} or the ${DAY_OF_WEEK.name}, and not for both`;
}

/** Whether an action with a legal cron expression and time zone runs after a time. */
export function runsAfter({ cron, timeZone = "UTC" }: ScheduledAction, time: Date): boolean {
  return readCron(cron, timeZone).nextRun(time) !== null;
}

/**
 * Returns the times of a cron expression.
 * @param cron the six fields of AWS.
 * @throws {Error} if the expression is wrong. An unknown time zone is an error of the first use.
 */
export function readCron(cron: string, timeZone: string): Cron {
  // The additional first field is the second. AWS's `0/15` starts at 0.
  return new Cron(`0 ${cron}`, { paused: true, timezone: timeZone, mode: "7-part", sloppyRanges: true });
}

/**
 * Returns the name as AWS requires it, which compares upper and lower case: `Europe/Berlin` for `europe/berlin`. `undefined` if the IANA
 * database does not have the name.
 * @see https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html
 */
export function findTimeZone(name: string): string | undefined {
  try {
    // For an alias, this is the name of another time zone.
    const { timeZone } = new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions();
    return timeZone.toLowerCase() === name.toLowerCase() ? timeZone : name;
  } catch {
    return undefined;
  }
}

/** Whether a field is `?`, or a list of values and ranges, each with an optional step. */
function isLegal(text: string, field: Field): boolean {
  if (text === "?") return field.hasAny === true;
  return text.split(",").every((item) => {
    const [range = "", step, ...others] = item.split("/");
    if (others.length > 0 || (step !== undefined && !isStep(step, field))) return false;
    if (range === "*") return true;
    const ends = range.split("-").map((end) => valueOf(end, field));
    const [first, last = first] = ends;
    return ends.length <= 2 && first !== undefined && last !== undefined && first <= last;
  });
}

function isStep(text: string, { max }: Field): boolean {
  return /^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= max;
}

function valueOf(text: string, { min, max, names = [], hasNumbers = true }: Field): number | undefined {
  const index = names.indexOf(text.toUpperCase());
  if (index >= 0) return min + index;
  const value = hasNumbers && /^\d+$/.test(text) ? Number(text) : NaN;
  return value >= min && value <= max ? value : undefined;
}

function describeField({ name, min, max, names, hasNumbers = true }: Field): string {
  const values = [
    ...(hasNumbers ? [`${min} to ${max}`] : []),
    ...(names === undefined ? [] : [`${names.at(0) ?? ""} to ${names.at(-1) ?? ""}`]),
  ].join(" or ");
  return `the ${name} (${values})`;
}

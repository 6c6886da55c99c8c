/** Names that the stand-in providers and the tests share. */

/** Environment variable. With a value, random values and IDs are equal in each run. */
export const RANDOM_SEED = "STAND_IN_RANDOM_SEED";

/**
 * Output with the inputs. The engine passes the state of a resource, in which inputs and outputs are merged. The stand-in
 * therefore stores the inputs again, as the dynamic providers of the SDK do.
 */
export const INPUTS_KEY = "__inputs";

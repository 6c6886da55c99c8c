const PRELOAD = `
  import os from "node:os";
  import { syncBuiltinESMExports } from "node:module";
  os.homedir = () => {
    if (process.env.HOME === undefined) throw new Error("no home");
    return process.env.HOME;
  };
  delete process.env.HOME;
  syncBuiltinESMExports();`;

/** Module for `--import` that removes the user's home folder, as in some containers. */
export const HOMELESS = `data:text/javascript,${encodeURIComponent(PRELOAD)}`;

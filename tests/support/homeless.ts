const PRELOAD = `
  import os from "node:os";
  import { syncBuiltinESMExports } from "node:module";
  os.homedir = () => {
    if (process.env.HOME === undefined) throw new Error("no home");
    return process.env.HOME;
  };
  delete process.env.HOME;
  syncBuiltinESMExports();`;

/** For `--import`: a user without a home folder, as in some containers, which no test can become. */
export const HOMELESS = `data:text/javascript,${encodeURIComponent(PRELOAD)}`;

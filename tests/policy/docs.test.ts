import { rules } from "../../policy/rules.ts";
import { assertRestated, withTable } from "../support/restated.ts";

const PAGE = "docs/policy.md";

describe(PAGE, () => {
  it("has every rule in its own words", () => {
    const rows = rules.map(({ id, level, what, why, fix }) => [id, level, what, why, fix]);
    assertRestated({ [PAGE]: (page) => withTable(page, ["Rule", "Level", "What", "Why", "Fix"], rows) });
  });
});

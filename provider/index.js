// Pulumi starts a provider with ts-node, which would take a .ts file here for its own. What it does not see, Node runs as it is.
import "./main.ts";

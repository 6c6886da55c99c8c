/** A version of the server that ends at once: what the fault `deploy-broken-version` deploys. */
console.error("This version ends on purpose.");
process.exit(1);

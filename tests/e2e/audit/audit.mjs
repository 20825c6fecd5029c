// Prints one JSON array: what each of graphql-http's server audits found at the address given.
import { auditServer } from 'graphql-http';

const results = await auditServer({ url: process.argv[2] });
const found = results.map(({ id, name, status, ...rest }) => ({ id, name, status, reason: rest.reason ?? null }));
process.stdout.write(JSON.stringify(found));

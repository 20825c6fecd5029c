"""Put declarations on endpoints, find every route of an app, and guard each one."""

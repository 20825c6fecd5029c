module.exports = {
  schema: "schema.graphql",
  documents: "operations.graphql",
  generates: { "./typed/": { preset: "client", config: { useTypeImports: true, enumsAsTypes: true } } },
};

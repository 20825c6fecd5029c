"""Usage of tokens: charged and counted for each request, collected in memory, reported in batches."""

// The tabs the page opens with: each operation in examples/ with the variables beside it, in the order of the file names.
const operations = import.meta.glob('./examples/*.graphql', { query: '?raw', import: 'default', eager: true });
const variables = import.meta.glob('./examples/*.json', { query: '?raw', import: 'default', eager: true });

export const examples = Object.keys(operations)
  .sort()
  .map((file) => ({
    query: operations[file],
    variables: variables[file.replace('.graphql', '.json')]?.trim() ?? '{}',
  }));

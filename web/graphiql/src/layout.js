// What the browser remembers of this page is how it looks. Operations, variables and headers live as long as the page does:
// variables hold passwords, headers hold tokens, and counters share their computers.
const kept = new Set(
  ['theme', 'visiblePlugin', 'docExplorerFlex', 'editorFlex', 'secondaryEditorFlex'].map((key) => `graphiql:${key}`),
);
const forgotten = new Map();

export const layout = {
  getItem: (key) => (kept.has(key) ? localStorage.getItem(key) : (forgotten.get(key) ?? null)),
  setItem: (key, value) => (kept.has(key) ? localStorage.setItem(key, value) : forgotten.set(key, value)),
  removeItem: (key) => (kept.has(key) ? localStorage.removeItem(key) : forgotten.delete(key)),
  clear() {
    kept.forEach((key) => localStorage.removeItem(key));
    forgotten.clear();
  },
  get length() {
    return kept.size + forgotten.size;
  },
};

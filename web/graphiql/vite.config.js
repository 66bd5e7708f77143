import { defineConfig } from 'vite';

export default defineConfig({
  base: './', // the page works wherever it is mounted
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // fonts and icons stay files: the policy allows no data: fonts
    chunkSizeWarningLimit: 4096, // the editor is one large chunk
    rolldownOptions: {
      // Libraries mark files with "use client" for servers that render; a bundle for the browser drops the mark.
      onwarn: (warning, warn) => warning.code === 'MODULE_LEVEL_DIRECTIVE' || warn(warning),
    },
    license: { fileName: 'licenses.md' }, // the notices of everything that is bundled
  },
  // JSX without a plugin: the page has three components and no need of hot reload.
  oxc: { jsx: { runtime: 'automatic' } },
});

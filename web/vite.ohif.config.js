// Builds what OHIF loads by address into copilot/static/ohif: an extension and a mode, two modules.
import { defineConfig } from 'vite';

export default defineConfig({
  logLevel: 'error',
  base: './',
  publicDir: 'ohif/public',
  build: {
    outDir: '../copilot/static/ohif',
    emptyOutDir: true,
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rollupOptions: {
      input: { extension: 'ohif/extension.ts', mode: 'ohif/mode.ts' },
      preserveEntrySignatures: 'strict',
      output: {
        entryFileNames: '[name].js',
        chunkFileNames: '[name]-[hash].js',
        assetFileNames: '[name]-[hash][extname]',
      },
    },
  },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
});

// Builds the page into copilot/static, each file packed beside itself, names holding digests.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { defineConfig } from 'vite';

const out = '../copilot/static';

const packed = {
  name: 'packed',
  closeBundle() {
    const assets = join(import.meta.dirname, out, 'assets');
    for (const name of readdirSync(assets).filter((each) => /\.(js|css|svg)$/.test(each))) {
      const content = readFileSync(join(assets, name));
      const params = { [constants.BROTLI_PARAM_QUALITY]: 10 };
      writeFileSync(join(assets, `${name}.br`), brotliCompressSync(content, { params }));
      writeFileSync(join(assets, `${name}.gz`), gzipSync(content, { level: 9 }));
    }
  },
};

export default defineConfig({
  logLevel: 'error', // a library names node's url for what the page never does
  base: './',
  build: {
    outDir: out,
    emptyOutDir: true,
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 4000,
    reportCompressedSize: false,
  },
  resolve: { alias: { events: 'events/events.js' } },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  worker: { format: 'es' },
  plugins: [packed],
});

import { defineConfig } from "vitest/config";

// Equal source gives equal bytes: names carry content hashes only, nothing is stamped with a date.
export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../src/weft/web",
    emptyOutDir: true,
    target: "es2022",
    sourcemap: false,
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: {
    host: "localhost",
    proxy: { "/api": { target: "http://localhost:8765", changeOrigin: true } },
  },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});

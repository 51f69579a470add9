#!/usr/bin/env bash
# The documents as a site, by VitePress in its own theme: dist/site. Called by make site.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=.cache/site
mkdir -p "$folder/.vitepress"
find "$folder" -mindepth 1 -maxdepth 1 ! -name node_modules ! -name .vitepress -exec rm -r {} +
git ls-files -z '*.md' 'docs/*.svg' 'docs/*.png' | xargs -0 cp --parents -t "$folder"
cp docs/site/package.json docs/site/package-lock.json "$folder"
cp docs/site/config.mjs "$folder/.vitepress"
cd "$folder"
npm ci --no-audit --no-fund
npx vitepress build --outDir "$OLDPWD/dist/site"

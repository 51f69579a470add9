// VitePress's configuration for make site. The documents stay as they are for those who read them in the repository: what they
// link to and is no page of the site is linked there.
import { readFileSync } from "node:fs";
import { posix as path } from "node:path";

const repository = "https://github.com/kafkaupstream/kafkaupstream/blob/main/";

// The sidebar is README's table of documents.
const readme = readFileSync("README.md", "utf8");
const more = readme.slice(readme.indexOf("\n## More"));
const items = [...more.matchAll(/\]\((docs\/[a-z]+\.md)\)/g)].map(([, file]) => ({ link: "/" + file, text: title(file) }));

function title(file) {
  return readFileSync(file, "utf8").match(/^# (.*)/)[1].replaceAll("`", "");
}

export default {
  title: "kafkaupstream",
  description: "HTTP requests to Kafka, in Apache APISIX or on its own",
  srcExclude: [".github/**"],
  rewrites: (page) => page.replace(/README\.md$/, "index.md"),
  cleanUrls: true,
  markdown: {
    // As the repository's host makes them of headings: the documents link to these.
    anchor: { slugify: (heading) => heading.trim().toLowerCase().replace(/[^\p{L}\p{N}\p{M} _-]/gu, "").replaceAll(" ", "-") },
    config(md) {
      // To Vue, {{ }} is an expression, in text and in table cells' code, too.
      for (const rule of ["text", "code_inline"]) {
        const render = md.renderer.rules[rule];
        md.renderer.rules[rule] = (...args) => render(...args).replaceAll("{{", "&#123;&#123;");
      }
      const open = md.renderer.rules.link_open;
      md.renderer.rules.link_open = (tokens, i, options, env, self) => {
        const href = tokens[i].attrGet("href");
        if (/^[a-z]+:|^#/.test(href)) {
          // it stays
        } else if (/\.md(#|$)/.test(href)) {
          tokens[i].attrSet("href", href.replace(/README\.md(#|$)/, "index.md$1"));
        } else {
          tokens[i].attrSet("href", repository + path.join(path.dirname(env.relativePath), href));
        }
        return open(tokens, i, options, env, self);
      };
    },
  },
  themeConfig: {
    sidebar: [{ text: "kafkaupstream", items: [{ link: "/", text: "Overview" }, ...items] }],
    search: { provider: "local" },
    socialLinks: [{ icon: "github", link: repository.replace("/blob/main/", "") }],
  },
};

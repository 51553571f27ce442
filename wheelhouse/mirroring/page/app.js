/* The page for people at a mirror's root.
 *
 * It reads the mirror's own JSON and nothing else. All above "The browser" is plain functions of values: a view gives
 * a tree of `h(...)`, and only `build` makes elements of it, with tags and attributes of two short lists. Names and
 * summaries are hostile input: they never become markup, script or an address outside of the mirror.
 */
"use strict";

const FIRST = 50; // results shown at once, so that typing stays instant
const SIMPLE = "simple"; // the index itself, beside PyTorch's channels

// == Text

/** What may be shown: no control characters, none that hide or turn the direction of writing. */
function plain(value) {
  return typeof value === "string"
    ? value.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, "\ufffd") : "";
}

/** Bytes in powers of 1000, as the command line prints them: `670.2 MB`. */
function readable(size) {
  if (!(size >= 0) || size === null) return "size unknown";
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; size >= 1000 && unit < 4; unit++) size /= 1000;
  return (unit ? size.toFixed(1) : size) + " " + units[unit];
}

/** `1 file`, `12 345 files`: groups of three with a narrow space (ISO 80000). */
function counted(number, word) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f") + " " + word + (number === 1 ? "" : "s");
}

/** The day of a moment, `2026-11-22`; empty where it is none. */
function day(moment) {
  return /^\d{4}-\d\d-\d\d/.test(moment) ? moment.slice(0, 10) : "";
}

/** A project's name as indexes write it (PEP 503). */
function normalized(name) {
  return name.toLowerCase().replace(/[-_.]+/g, "-");
}

function texts(value) {
  return Array.isArray(value) ? value.map(plain).filter(Boolean) : [];
}

function sum(rows) {
  return rows.reduce((size, row) => size + (row.size || 0), 0);
}

// == Versions and files

// How the parts of a version sort (PEP 440): 1.dev0 < 1a0 < 1rc0 < 1 < 1+local < 1.post0 < 1.1
const RANKS = { dev: "0", a: "1", alpha: "1", b: "2", beta: "2", c: "3", rc: "3", pre: "3", preview: "3", "+": "5",
  post: "6", rev: "6", r: "6" };

/** A text that sorts as its version does. */
function versionKey(version) {
  const [, epoch = "0", rest] = /^(?:(\d+)!)?(.*)$/s.exec(version.toLowerCase());
  const parts = (epoch + "." + rest.replace(/(\.0)+(?!\.?\d)/, "")).match(/\d+|[a-z]+|\+/g);
  return [...parts.map((part) => (/\d/.test(part) ? "7" + part.padStart(20, "0") : RANKS[part] || "1" + part)), "4"].join(" ");
}

/** Whether installers leave a version alone that nobody names: each of its files was yanked (PEP 592). */
function isYanked({ files = [] }) {
  return files.length > 0 && files.every(({ yanked }) => yanked);
}

/** The newest final release that is not yanked, else the newest that has most of this; `versions` are newest first. */
function newestOf(versions) {
  const finals = versions.filter(({ version }) => !/[abc]|dev|pre/i.test(version.split("+")[0]));
  return finals.find((each) => !isYanked(each)) || finals[0] || versions[0];
}

/** `[{version, files}]` from a project's pages (`{simple: page, cu121: page}`): newest first, each file once. */
function versionsOf(pages) {
  const files = new Map(), versions = new Map();
  for (const [channel, { json, url, root }] of Object.entries(pages)) {
    for (const entry of json.files) {
      const filename = plain(entry.filename), sha256 = plain(entry.hashes.sha256), known = files.get(sha256 + filename);
      if (known) {
        known.channels.push(channel);
        known.locks = [...new Set([...known.locks, ...texts(entry._locks)])].sort();
        continue;
      }
      files.set(sha256 + filename, {
        filename, sha256, channels: [channel], url: within(entry.url, url, root), size: entry.size,
        python: plain(entry["requires-python"]), released: day(plain(entry["upload-time"])), added: plain(entry._added),
        yanked: entry.yanked === true ? "no reason given" : plain(entry.yanked),
        locks: texts(entry._locks), requires: texts(entry._requires),
      });
    }
  }
  for (const file of files.values()) {
    const version = file.filename.split("-")[1] || "";
    versions.set(version, [...(versions.get(version) || []), file]);
  }
  return [...versions].map(([version, held]) => ({ version, files: held, key: versionKey(version) }))
    .sort((a, b) => (a.key < b.key ? 1 : -1));
}

/** An address below the mirror's root, or null: what leads elsewhere is no link here. */
function within(url, base, root) {
  try {
    const address = new URL(url, base).href;
    return /^https?:/.test(address) && address.startsWith(root) ? address : null;
  } catch {
    return null;
  }
}

/** A `Requires-Dist` line: the project it names, the rest of it, and whether only an extra asks for it. */
function requirement(line) {
  const [, shown, rest] = /^\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|)(.*)$/s.exec(line);
  // The parentheses of old metadata say nothing
  return { name: normalized(shown), shown, rest: rest.replace(/^(\[[^\]]*\])?\s*\(([^()]*)\)/, "$1$2").trim(), optional: /;.*\bextra\b/s.test(rest) };
}

/** Who requires a project, from the rows of `page/requires.json`: by name `{always: [names], optional: [names]}`. */
function requiredBy(rows) {
  const by = new Map();
  const at = (name) => by.get(name) || by.set(name, { always: [], optional: [] }).get(name);
  for (const [name, always, optional] of rows) {
    for (const needed of always) at(needed).always.push(plain(name));
    for (const needed of optional) at(needed).optional.push(plain(name));
  }
  return by;
}

// == The catalog and its search

/** `catalog.json` as values. Throws for what is none. */
function parseCatalog(json) {
  if (json.format !== 1) throw new Error("catalog.json has another format than this page knows");
  const targets = json.targets.map(plain), channels = json.channels.map(plain);
  const projects = json.projects.map(([name, newest, files, on, at, size, simple, summary]) => ({
    name: plain(name), newest: plain(newest), files, size, summary: plain(summary), words: plain(summary).toLowerCase(),
    targets: on.map((number) => targets[number]),
    indexes: [...(simple ? [SIMPLE] : []), ...at.map((number) => channels[number])],
  }));
  const locks = json.locks.map(([target, sha256, files, size, added]) => (
    { label: targets[target], sha256: plain(sha256), files, size, added: plain(added) }));
  return { targets, channels, projects, locks, byName: new Map(projects.map((row) => [row.name, row])) };
}

/** The rows that fit, best first: the same name, how names begin, how words in them begin, parts, the summary. */
function found(catalog, { q, target, channel }) {
  const words = q.toLowerCase().split(/\s+/).map((word) => word.replace(/(.)[=<>!~[;@(].*$/, "$1")).filter(Boolean);
  const asked = words.map((word) => [word, normalized(word)]), ranks = [[], [], [], [], []];
  for (const row of catalog.projects) {
    if ((target && !row.targets.includes(target)) || (channel && !row.indexes.includes(channel))) continue;
    let rank = 0;
    for (const [word, name] of asked) {
      const at = row.name.indexOf(name);
      const one = row.name === name ? 0 : at === 0 ? 1 : row.name.includes("-" + name) ? 2 : at > 0 ? 3
        : row.words.includes(word) ? 4 : 9;
      rank = Math.max(rank, one);
    }
    if (rank < 9) ranks[rank].push(row);
  }
  return [].concat(...ranks);
}

// == Addresses

/** `#/project/torch/cu121?target=…` as values; null for the address of no view. */
function route(hash) {
  const [path, query = ""] = hash.replace(/^#?\/?/, "").split("?"), asked = new URLSearchParams(query);
  let parts;
  try {
    parts = path.split("/").filter(Boolean).map(decodeURIComponent);
  } catch {
    return null;
  }
  const [view = "home", name, channel = ""] = parts, q = asked.get("q") || "", target = asked.get("target") || "";
  if (view === "project" && name && parts.length < 4) return { view, name: normalized(name), channel, target };
  if (parts.length > 1) return null;
  if (view === "home") return { view, q, target, channel: asked.get("channel") || "" };
  return view === "locks" ? { view, q } : view === "use" ? { view } : null;
}

/** The other way: the address of a view. */
function address({ view, name, q, target, channel }) {
  const asked = Object.entries({ q, target, channel: view === "home" && channel }).filter(([, value]) => value);
  const path = view === "home" ? [] : view === "project" ? [view, name, channel] : [view];
  return "#/" + path.filter(Boolean).map(encodeURIComponent).join("/") + (asked.length ? "?" + new URLSearchParams(asked) : "");
}

/** Where an index stands below the mirror's root. */
function indexPath(channel) {
  return channel === SIMPLE ? "simple/" : "whl/" + encodeURIComponent(channel) + "/";
}

/** Where a published lock stands; `lock` is `label/sha256`, as the project pages name it. */
function lockPath(lock) {
  const [label, sha256] = lock.split("/").map(encodeURIComponent);
  return `locks/${label}/pylock.${sha256}.toml`;
}

// == Lines to copy

/** A word as a shell takes it. */
function quoted(word) {
  return /^[\w.+=:/@%-]+$/.test(word) ? word : "'" + word.replace(/'/g, "'\\''") + "'";
}

/** The host that pip must be told to trust, or "": it takes plain HTTP from the loopback only. */
function untrusted(root) {
  const { protocol, hostname, host } = new URL(root);
  return protocol === "http:" && !/^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname) ? host : "";
}

/** What installs one version from an index of the mirror at `root`. */
function installLines(root, channel, name, version) {
  const url = quoted(root + indexPath(channel)), host = untrusted(root), pin = quoted(name + "==" + version);
  return {
    pip: "pip install --index-url " + url + (host && " --trusted-host " + host) + " " + pin,
    uv: "uv pip install --default-index " + url + " " + pin,
  };
}

// == Views: values to trees

function h(tag, attributes, ...children) {
  return { tag, attributes: attributes || {}, children: children.flat(4).filter((child) => child) };
}

const span = (kind, ...text) => h("span", { class: kind }, text);
const link = (href, text, more) => h("a", { href, ...more }, text);
const named = (name, shown) => link(address({ view: "project", name }), shown || name, { class: "name" });
const copy = (text, what) => h("button", { type: "button", class: "copy", "data-copy": text, "aria-label": "Copy " + what }, "Copy");
const line = (label, text) => h("div", { class: "line" },
  span("tool", label), h("code", null, text), copy(text, "the line for " + label));
const block = (label, text) => h("div", { class: "block" },
  h("div", null, span("tool", label), copy(text, label)), h("pre", { tabindex: "0" }, text));
const heading = (...text) => h("h1", { tabindex: "-1" }, text);
const meta = (...facts) => h("p", { class: "meta" }, facts.filter(Boolean).join(" · "));
const row = (term, ...what) => [h("dt", null, term), h("dd", null, what)];
const digest = (sha256, what) => [h("dt", null, "SHA-256"),
  h("dd", { class: "digest" }, h("code", null, sha256), copy(sha256, "the SHA-256 of " + what))];
const moment = (added, ...more) => row("Came in",
  day(added) ? h("time", { datetime: added, title: added }, day(added)) : "not known", more);
const fold = (title, view, open) => h("details", { open: open ? "" : null }, h("summary", null, title), view);

function select(id, label, options, chosen) {
  const option = (value) => h("option", { value, selected: value === chosen ? "" : null }, value || "all");
  return options.length < 2 ? null
    : h("label", { class: "filter" }, label, h("select", { id }, ["", ...options].map(option)));
}

/** What the mirror holds, and the filters of the search. */
function homeView(catalog, at) {
  const files = catalog.projects.reduce((total, each) => total + each.files, 0);
  const indexes = catalog.projects.some((each) => each.indexes[0] === SIMPLE) ? [SIMPLE, ...catalog.channels] : catalog.channels;
  return [
    h("h1", { tabindex: "-1", class: "unseen" }, "Projects of this mirror"),
    meta(counted(catalog.projects.length, "project"), counted(files, "file"), readable(sum(catalog.projects)),
      counted(catalog.targets.length, "target"), counted(catalog.locks.length, "lock")),
    h("div", { class: "filters" }, select("target", "Target", catalog.targets, at.target),
      select("channel", "Index", indexes, at.channel)),
    h("div", { id: "results" }),
  ];
}

/** The results of a search, at most `limit` of them. */
function resultsView(rows, at, limit, all) {
  if (!rows.length) {
    return h("div", { class: "nothing" },
      h("p", null, at.q ? ["No project here matches ", h("q", null, plain(at.q)), "."] : "No project here."),
      h("p", null, at.target || at.channel ? link(address({ view: "home", q: at.q }), "Search without the filters")
        : ["A project comes in with a lock that has it: ", h("code", null, "wheelhouse mirror add")]));
  }
  return [
    rows.length < all && meta(rows.length + " of " + counted(all, "project")),
    h("ul", { class: "results" }, rows.slice(0, limit).map((each) => h("li", null,
      link(address({ ...at, view: "project", name: each.name, q: "" }),
        [span("name", each.name), " ", span("version", each.newest)], { class: "result" }),
      h("p", { class: "summary" }, each.summary),
      meta(counted(each.files, "file"), readable(each.size),
        each.targets.length > 1 ? counted(each.targets.length, "target") : each.targets[0],
        each.indexes.filter((index) => index !== SIMPLE).join(" "))))),
    rows.length > limit ? h("button", { type: "button", "data-more": "" }, "Show more") : null,
  ];
}

/** One project. `pages` are its index pages, `by` is who requires it: null where that could not be read. */
function projectView(catalog, at, root, pages, by) {
  const chosen = pages[at.channel] ? { [at.channel]: pages[at.channel] } : pages;
  const versions = versionsOf(chosen).map((each) => ({
    ...each, files: each.files.filter((file) => !at.target || file.locks.some((lock) => lock.startsWith(at.target + "/"))),
  })).filter(({ files }) => files.length);
  const newest = newestOf(versions), files = [].concat(...versions.map((each) => each.files));
  const summary = Object.values(pages).map(({ json }) => plain(json._summary)).find(Boolean);
  const indexes = Object.keys(pages);
  return [
    heading(span("name", at.name), " ", newest && span("version", newest.version)),
    summary && h("p", { class: "lead" }, summary),
    meta(counted(versions.length, "version"), counted(files.length, "file"), readable(sum(files))),
    h("div", { class: "filters" },
      indexes.length > 1 && h("nav", { class: "tabs", "aria-label": "Index" }, ["", ...indexes].map((channel) =>
        link(address({ ...at, channel }), channel || "all", { "aria-current": channel === at.channel ? "true" : null }))),
      select("target", "Target", catalog.byName.get(at.name).targets, at.target)),
    newest ? [installView(root, at, newest), requiresView(catalog, newest, by)]
      : h("p", { class: "nothing" }, "No file here for this target and index."),
    newest && h("h2", null, "Versions and files"),
    versions.map(({ version, files }, number) => h("div", { class: "release" }, fold(
      [span("version", version), " ",
        span("meta", counted(files.length, "file") + " · " + readable(sum(files)) + (isYanked({ files }) ? " · yanked" : ""))],
      h("ul", { class: "files" }, files.map(fileView)), number < 2 || versions.length < 4))),
  ];
}

function installView(root, at, { version, files }) {
  // Of several indexes that of the target, else the one for everything; PyTorch's builds stand in their channel only
  const channels = [].concat(...files.map((file) => file.channels)), words = at.target.split("-");
  const channel = channels.find((each) => words.includes(each)) || (channels.includes(SIMPLE) ? SIMPLE : channels[0]);
  const lines = installLines(root, channel, at.name, version);
  return [h("h2", null, "Install"), line("pip", lines.pip), line("uv", lines.uv),
    h("p", { class: "meta" }, "Index: ", link(root + indexPath(channel), indexPath(channel)))];
}

/** What the newest version requires, and who in this mirror requires the project. */
function requiresView(catalog, { files }, by) {
  const lines = [...new Set([].concat(...files.map((file) => file.requires)))].sort().map(requirement);
  const needs = (rows) => h("ul", { class: "requires" }, rows.map((each) => {
    const here = catalog.byName.has(each.name);
    return h("li", null, here ? named(each.name, each.shown) : span("name", each.shown),
      h("code", null, each.rest), here ? null : span("meta", " not in this mirror"));
  }));
  const names = (rows) => h("ul", { class: "names" }, rows.map((name) => h("li", null, named(name))));
  const always = lines.filter((each) => !each.optional), optional = lines.filter((each) => each.optional);
  const title = (text, rows) => text + " (" + rows.length + ")";
  return h("div", { class: "both" },
    h("section", null, h("h2", null, "Requires"),
      always.length ? needs(always) : meta("Nothing"),
      optional.length ? fold(title("For extras", optional), needs(optional)) : null),
    h("section", null, h("h2", null, "Required by"),
      !by ? meta("Not known: page/requires.json could not be read") : [
        by.always.length > 40 ? fold(title("Projects of this mirror", by.always), names(by.always))
          : by.always.length ? names(by.always) : meta("No project of this mirror"),
        by.optional.length ? fold(title("For an extra of theirs", by.optional), names(by.optional)) : null,
      ]));
}

function fileView(file) {
  const locks = file.locks.map((lock, number) => {
    const [label, sha256 = ""] = lock.split("/");
    return [number ? ", " : " with ", link(lockPath(lock), [label, " ", span("meta", sha256.slice(0, 8))],
      { class: "label", title: "The lock with SHA-256 " + sha256 })];
  });
  return h("li", null,
    h("div", { class: "fileline" }, file.url ? link(file.url, file.filename, { class: "file" }) : span("file", file.filename),
      span("size", readable(file.size))),
    file.yanked && h("p", { class: "yanked" }, "Yanked: " + file.yanked),
    h("dl", null,
      file.python && row("Python", h("code", null, file.python)),
      file.released && row("Uploaded", h("time", null, file.released)),
      moment(file.added, locks),
      file.channels[0] !== SIMPLE || file.channels[1] ? row("Index", file.channels.join(", ")) : null,
      digest(file.sha256, file.filename)));
}

/** The locks whose label or digest has every word of `q`: by target, the newest first. */
function locksView(catalog, q) {
  const words = q.toLowerCase().split(/\s+/);
  const rows = catalog.locks.filter((each) => words.every((word) => (each.label + "/" + each.sha256).includes(word)))
    .sort((a, b) => (a.added < b.added ? 1 : -1));
  const labels = [...new Set(rows.map((each) => each.label))].sort();
  return [
    meta(counted(rows.length, "lock"), counted(labels.length, "target")),
    labels.map((label) => h("section", null,
      h("h2", { class: "label" }, label),
      h("p", { class: "meta" }, link(address({ view: "home", target: label }), "Projects for this target")),
      h("ul", { class: "files" }, rows.filter((each) => each.label === label).map((each) => h("li", null,
        h("div", { class: "fileline" },
          link(lockPath(label + "/" + each.sha256), each.sha256.slice(0, 8) + "….toml", { class: "file" }),
          span("size", counted(each.files, "file") + ", " + readable(each.size))),
        h("dl", null, moment(each.added), digest(each.sha256, "this lock"))))))),
    rows.length ? null : h("p", { class: "nothing" }, "No lock here" + (q ? " matches." : ".")),
  ];
}

/** How a machine is told to use this mirror for everything. */
function useView(catalog, root) {
  const url = root + "simple/", host = untrusted(root), channel = catalog.channels.find((name) => name !== "cpu");
  return [
    heading("Set up a machine"),
    h("p", { class: "lead" }, "Once told, installers use this mirror as if it were PyPI."),
    block("pip.conf", "[global]\nindex-url = " + url + (host && "\ntrusted-host = " + host) + "\n"),
    block("uv.toml", '[[index]]\nurl = "' + url + '"\ndefault = true\n'),
    line("Poetry", "poetry source add --priority=primary mirror " + quoted(url)),
    line("PDM", "pdm config pypi.url " + quoted(url)),
    catalog.channels.length ? [
      h("h2", null, "PyTorch’s channels"),
      h("p", null, "Each has PyTorch’s builds for one accelerator, and all that they require."),
      catalog.channels.map((name) => line(name, "--index-url " + quoted(root + indexPath(name)))),
    ] : null,
    channel && [h("p", null, "In a project’s pyproject.toml, for uv:"),
      block("pyproject.toml", '[[tool.uv.index]]\nname = "' + channel + '"\nurl = "' + root + indexPath(channel) +
        '"\nexplicit = true\n\n[tool.uv.sources]\ntorch = { index = "' + channel + '" }\n')],
  ];
}

function problemView(title, text) {
  return [heading(title), h("p", { role: "alert" }, text), h("p", null, link("#/", "All projects"))];
}

// == The browser

const TAGS = "a button code dd details div dl dt h1 h2 input label li nav option p pre q section select span summary time ul".split(" ");
const ATTRIBUTES = ("aria-current aria-label class data-copy data-more datetime href id open placeholder role selected " +
  "tabindex title type value").split(" ");

/** The mirror's root: the folder of this page, below whatever prefix it is served. */
function root() {
  return new URL(".", location.href.split(/[?#]/)[0]).href;
}

/** An element for a tree. What is on neither list, or leads out of the mirror, is never made. */
function build(tree) {
  if (typeof tree === "string") return document.createTextNode(tree);
  if (!TAGS.includes(tree.tag)) throw new Error("no such element here: " + tree.tag);
  const element = document.createElement(tree.tag);
  for (const [name, value] of Object.entries(tree.attributes)) {
    if (value === null || !ATTRIBUTES.includes(name)) continue;
    if (name !== "href" || value.startsWith("#/") || within(value, root(), root())) element.setAttribute(name, value);
  }
  element.append(...tree.children.map(build));
  return element;
}

async function read(path) {
  const answer = await fetch(root() + path, { cache: "no-cache" });
  if (!answer.ok) throw new Error(path + " was answered with status " + answer.status);
  return answer.json();
}

function start() {
  const at = (id) => document.getElementById(id), main = at("main"), q = at("q");
  let catalog, needs, held = {}, shown = {}, limit, telling, turn = 0;

  const put = (element, ...trees) => element.replaceChildren(...trees.flat(4).filter(Boolean).map(build));
  /** Told to screen readers, once typing rests. */
  const tell = (text) => {
    clearTimeout(telling);
    telling = setTimeout(() => { at("status").textContent = text; }, 300);
  };
  /** Shows a view. One that a link asked for gets the focus, at its heading. */
  const turnTo = (title, focus, ...trees) => {
    put(main, ...trees);
    document.title = title + " · Package mirror";
    if (!focus) return;
    scrollTo(0, 0);
    main.querySelector("h1").focus({ preventScroll: true });
  };
  const results = () => {
    const rows = found(catalog, shown);
    put(at("results"), resultsView(rows, shown, limit, catalog.projects.length));
    tell(counted(rows.length, "project"));
  };
  const locks = () => {
    put(at("results"), locksView(catalog, shown.q));
    tell(at("results").firstChild.textContent);
  };

  /** The index pages of a project. One that cannot be read is left out while another can. */
  async function pagesOf(name) {
    const problems = [];
    const pages = await Promise.all(catalog.byName.get(name).indexes.map((index) => {
      const path = indexPath(index) + encodeURIComponent(name) + "/";
      return read(path + "index.json").then((json) => [index, { json, url: root() + path, root: root() }],
        (problem) => { problems.push(problem); });
    }));
    if (problems.length === pages.length) throw problems[0];
    return Object.fromEntries(pages.filter(Boolean));
  }

  async function show(focus) {
    if (location.hash && !location.hash.startsWith("#/")) return;
    const before = shown, mine = ++turn, typing = document.activeElement === q;
    const now = shown = route(location.hash) || {};
    const failed = (title, text) => turnTo(title, focus, problemView(title, text));
    for (const each of at("nav").children) {
      if (each.dataset.view === now.view) each.setAttribute("aria-current", "page");
      else each.removeAttribute("aria-current");
    }
    if (!typing || now.view !== "home") q.value = now.view === "home" ? now.q : "";
    if (now.view === "home") {
      limit = FIRST;
      if (before.view !== "home") turnTo("Projects", focus && !typing, homeView(catalog, now));
      for (const id of ["target", "channel"]) if (at(id)) at(id).value = now[id];
      results();
    } else if (now.view === "use") {
      turnTo("Set up", focus, useView(catalog, root()));
    } else if (now.view === "locks") {
      turnTo("Locks", focus, heading("Locks and targets"), h("label", { class: "filter" }, "Filter",
        h("input", { id: "filter", type: "search", value: now.q, placeholder: "cu121 py310" })), h("div", { id: "results" }));
      locks();
    } else if (!now.view) {
      failed("No such page", "This address names nothing here.");
    } else if (!catalog.byName.has(now.name)) {
      failed("Not here", "This mirror has no project " + plain(now.name) + ".");
    } else {
      try {
        // Another target or index of the same project is shown at once
        if (held.name !== now.name) held = { name: now.name, pages: pagesOf(now.name) };
        const [pages, by] = await Promise.all([held.pages,
          needs || read("page/requires.json").then((json) => requiredBy(json.requires)).catch(() => null)]);
        needs = by;
        const view = projectView(catalog, now, root(), pages, by && (by.get(now.name) || { always: [], optional: [] }));
        const same = before.name === now.name, { id } = document.activeElement;
        if (mine === turn) turnTo(now.name, focus && !same, view);
        if (mine === turn && same) (at(id) || main.querySelector("[aria-current]") || main).focus(); // where it was
      } catch (problem) {
        held = {};
        if (mine === turn) failed(now.name, "It could not be read: " + problem.message);
      }
    }
  }

  // Typing changes the address without a step in the history, except where it leaves another view
  document.addEventListener("input", ({ target }) => {
    if (target !== q && target.id !== "filter") return;
    if (target === q && shown.view !== "home") {
      const to = address({ view: "home", q: q.value });
      return catalog ? location.assign(to) : history.replaceState(null, "", to); // `show` comes later
    }
    shown.q = target.value;
    limit = FIRST;
    history.replaceState(null, "", address(shown));
    (target === q ? results : locks)();
  });
  document.addEventListener("change", ({ target }) => {
    if (target.tagName === "SELECT") location.hash = address({ ...shown, [target.id]: target.value });
  });
  at("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const first = main.querySelector(".result");
    if (first) first.click();
  });
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button && "copy" in button.dataset) copied(button);
    if (button && "more" in button.dataset) {
      const next = limit;
      limit += 10 * FIRST;
      results();
      main.querySelectorAll(".result")[next].focus();
    }
  });

  async function copied(button) {
    let done = true;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      // Plain HTTP has no clipboard: copy from a field that nobody sees
      const field = document.createElement("textarea");
      field.value = button.dataset.copy;
      field.className = "unseen";
      document.body.append(field);
      field.select();
      done = document.execCommand("copy");
      field.remove();
      button.focus();
    }
    button.textContent = done ? "Copied" : "Failed";
    tell(done ? "Copied" : "Could not be copied");
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }

  document.addEventListener("keydown", (event) => {
    const { key } = event, focused = document.activeElement, links = [...main.querySelectorAll(".result")];
    const here = links.indexOf(focused);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (key === "/" && !/^(INPUT|SELECT)$/.test(focused.tagName)) {
      event.preventDefault();
      q.select();
    } else if (/^Arrow(Down|Up)$/.test(key) && links.length && (here >= 0 || focused === q)) {
      event.preventDefault();
      const next = here + (key === "ArrowDown" ? 1 : -1);
      (next < 0 ? q : links[Math.min(next, links.length - 1)]).focus();
    }
  });
  at("skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address keeps its view
    main.focus();
  });

  // The system's theme until the reader chooses one, which is remembered where the browser lets us
  const themes = ["auto", "light", "dark"];
  let theme = "auto";
  const wear = (chosen) => {
    theme = themes.includes(chosen) ? chosen : "auto";
    document.documentElement.dataset.theme = theme;
    at("theme").textContent = "Theme: " + theme;
  };
  try { theme = localStorage.getItem("theme"); } catch { /* not allowed: auto */ }
  wear(theme);
  at("theme").addEventListener("click", () => {
    wear(themes[(themes.indexOf(theme) + 1) % 3]);
    try { localStorage.setItem("theme", theme); } catch { /* then for this visit only */ }
  });

  for (const id of ["nav", "search", "theme", "loading"]) at(id).hidden = false;
  read("catalog.json").then((json) => {
    catalog = parseCatalog(json);
    addEventListener("hashchange", () => show(true));
    show(false);
  }).catch((problem) => put(main, problemView("The catalog could not be read", problem.message)));
}

if (typeof document !== "undefined") start();

// Starts the page's program; the page names its two files. Whatever fails, the page says so instead of standing still.
const element = (id) => document.getElementById(id);

// A program that has panicked never answers again. What it threw is the one error of this kind that there is.
const fell = (error) => {
  if (error instanceof WebAssembly.RuntimeError) element("stopped").hidden = false;
};
addEventListener("error", (event) => fell(event.error));
addEventListener("unhandledrejection", (event) => fell(event.reason));
element("reload").addEventListener("click", () => location.reload());

try {
  const { default: start } = await import(element("program").href);
  await start({ module_or_path: element("program-code").href });
} catch (error) {
  console.error(error);
  const wait = element("boot-wait");
  // If it fell while it started, it has put its own page in this one's place.
  if (wait) {
    wait.hidden = true;
    element("boot-failed").hidden = false;
  }
  fell(error);
}

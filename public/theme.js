// Runs before the first paint, so that a chosen theme does not flash. The desk writes the key (app/src/view/theme.rs).
try {
  const theme = localStorage.getItem("hotdesk.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden: then the system's theme it is.
}

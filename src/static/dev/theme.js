// This runs before the first paint, so that the page does not flash.
try {
  const theme = localStorage.getItem('eventgate.theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
} catch {
  // The browser stores nothing: the system's colours apply.
}

// Before anything is painted, or it would be painted twice.
try {
  const theme = localStorage.getItem('eventgate.theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
} catch {
  // The system's choice holds.
}

// Sets the theme before anything is drawn, so that a page in the dark does not begin with a flash.
(() => {
  try {
    const chosen = localStorage.getItem("heck-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // Without storage the system's choice stands.
  }
})();

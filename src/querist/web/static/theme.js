// Not a module: it runs before the first paint, so that a dark page never flashes white.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => {
    try {
      return localStorage.getItem("querist/theme");
    } catch {
      return null;
    }
  };
  const apply = (theme) => {
    if (theme) root.dataset.theme = theme;
  };
  apply(stored());
  addEventListener("storage", (event) => event.key === "querist/theme" && apply(event.newValue));
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("#theme")) return;
    const now = root.dataset.theme ?? (system.matches ? "dark" : "light");
    const next = now === "dark" ? "light" : "dark";
    apply(next);
    try {
      localStorage.setItem("querist/theme", next);
    } catch {
      // Without storage the choice holds until the page is left.
    }
  });
})();

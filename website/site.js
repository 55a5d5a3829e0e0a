// What the theme leaves out for the keyboard and for screen readers: tables that scroll can be reached, and no two
// landmarks have one name.
(() => {
  const named = (nav) =>
    nav.getAttribute("aria-label") || document.getElementById(nav.getAttribute("aria-labelledby"))?.textContent.trim() || "Code";
  const mend = () => {
    for (const wrap of document.querySelectorAll(".md-typeset__scrollwrap")) {
      const scrolls = wrap.scrollWidth > wrap.clientWidth;
      if (scrolls) wrap.tabIndex = 0;
      else wrap.removeAttribute("tabindex");
    }
    const names = new Map();
    for (const nav of document.querySelectorAll("nav:not([data-named])")) {
      nav.dataset.named = named(nav);
    }
    for (const nav of document.querySelectorAll("nav[data-named]")) {
      const name = nav.dataset.named, count = (names.get(name) || 0) + 1;
      names.set(name, count);
      if (count > 1 || !nav.hasAttribute("aria-labelledby")) {
        nav.removeAttribute("aria-labelledby");
        nav.setAttribute("aria-label", count > 1 ? `${name}, ${count}` : name);
      }
    }
  };
  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => ((waiting = false), mend()));
  };
  addEventListener("resize", soon);
  new MutationObserver(soon).observe(document.body, { childList: true, subtree: true });
  soon();
})();

// The page is whole without this: here the figures' own titles become quick tips, for the pointer and for the keyboard.
(() => {
  const tip = document.createElement("div"), told = new Map();
  tip.className = "tip"; tip.hidden = true; tip.setAttribute("role", "status");
  document.querySelector("main").append(tip);
  for (const title of document.querySelectorAll("figure svg title")) {
    told.set(title.parentNode, title.textContent);
    title.remove();
  }
  let here = null;
  const point = (mark) => {
    here?.classList.remove("here");
    here = mark;
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = told.get(mark);
    const at = mark.getBoundingClientRect(), own = tip.getBoundingClientRect();
    tip.style.left = Math.max(6, Math.min(at.left + at.width / 2 - own.width / 2, innerWidth - own.width - 6)) + "px";
    tip.style.top = (at.top > own.height + 12 ? at.top - own.height - 8 : at.bottom + 8) + "px";
  };
  for (const drawing of document.querySelectorAll(".drawing")) {
    const marks = [...drawing.querySelectorAll("[data-series]")].filter((mark) => told.has(mark));
    if (!marks.length) continue;
    drawing.tabIndex = 0;
    drawing.setAttribute("role", "group");
    drawing.setAttribute("aria-label", "Figure: the arrow keys read its marks");
    drawing.addEventListener("pointerover", (e) => point(told.has(e.target) ? e.target : null));
    drawing.addEventListener("pointerleave", () => point(null));
    drawing.addEventListener("blur", () => point(null));
    drawing.addEventListener("keydown", (e) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
      if (e.key === "Escape") point(null);
      if (!step) return;
      e.preventDefault();
      const shown = marks.filter((mark) => mark.getClientRects().length);
      if (!shown.length) return;
      const from = here ? shown.indexOf(here) : step > 0 ? -1 : 0;
      point(shown[(from + step + shown.length) % shown.length]);
      here.classList.add("here");
      here.scrollIntoView({ block: "nearest" });
    });
  }
  addEventListener("scroll", () => here?.classList.contains("here") || point(null), { passive: true });
})();

// Corrections to the theme's markup that its templates do not let us make: names for controls that have none. One sound plays.

// The button says "Search"; a name that does not contain the visible word cannot be spoken to it.
for (const button of document.querySelectorAll("button.search-button__button, button.search-button")) {
  const visible = button.innerText.trim().replace(/\s+/g, " ");
  button.setAttribute("aria-label", visible || "Search");
}

// The arrow that opens a nested part of the table of contents has no name at all.
for (const summary of document.querySelectorAll(".bd-sidebar summary, .bd-docs-nav summary")) {
  const link = summary.closest("li")?.querySelector("a");
  if (link && !summary.innerText.trim()) summary.setAttribute("aria-label", `Show what is in ${link.innerText.trim()}`);
}

// The line that unfolds a hidden cell says what it hides; its label says "Toggle hidden content" instead.
for (const summary of document.querySelectorAll("details.hide > summary[aria-label]")) summary.removeAttribute("aria-label");

// The logo stands outside every landmark.
const logo = document.querySelector(".bd-sidebar-primary .sidebar-primary-item:has(.navbar-brand)");
if (logo && !logo.closest("header, nav, main, [role]")) {
  logo.setAttribute("role", "navigation");
  logo.setAttribute("aria-label", "Home");
}

// The list of references has roles that ARIA has withdrawn, inside a list that may not hold them.
for (const entry of document.querySelectorAll('.citation-list, .citation-list [role="doc-biblioentry"]')) entry.removeAttribute("role");

// One sound at a time. The event does not bubble, so it is caught on its way down.
document.addEventListener("play", ({ target }) => {
  for (const sound of document.querySelectorAll("audio")) if (sound !== target) sound.pause();
}, true);

// What scrolls sideways can be scrolled by the keyboard, and its edge fades where there is more: wide tables, figures on a phone.
const wide = document.querySelectorAll(".cell_output table, div.book-table, .pst-scrollable-table-container, :is(.cell_output, figure):has(> img)");
const fade = (box) => box.classList.toggle("goes-on", box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
const reach = () => {
  for (const box of wide) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
    fade(box);
  }
};
for (const box of wide) box.addEventListener("scroll", () => fade(box), { passive: true });
reach();
addEventListener("resize", reach);

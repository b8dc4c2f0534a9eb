// What is left to do of the theme's 82 kB of Bootstrap, whose menus and hints are native here.

// The button for long pages on a phone: it shows while somebody scrolls back up.
const backToTop = document.getElementById("pst-back-to-top");
if (backToTop) {
  let before = scrollY;
  backToTop.addEventListener("click", () => scrollTo(0, 0));
  addEventListener("scroll", () => {
    const isUpwards = scrollY < before && scrollY > innerHeight / 2;
    backToTop.style.display = isUpwards ? "block" : "none";
    before = scrollY;
  }, { passive: true });
}

// Escape closes a menu by itself, but Sphinx keeps the key for its marks of found words.
addEventListener("keydown", ({ key }) => {
  if (key === "Escape") document.querySelector("[popover]:popover-open")?.hidePopover();
});

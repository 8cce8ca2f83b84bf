(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("scripted");

  // A heading sorts its table: numbers from the highest, words from A; once more, the other way round.
  const numberIn = (cell) => parseFloat(cell.textContent.trim().replace(/^\+/, ""));
  for (const table of document.querySelectorAll("table")) {
    const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
    heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
      const rows = [...body.rows];
      const isNumeric = rows.some((row) => !Number.isNaN(numberIn(row.cells[column])));
      const before = head.getAttribute("aria-sort");
      const order = before ? (before === "ascending" ? "descending" : "ascending") : isNumeric ? "descending" : "ascending";
      const sign = order === "ascending" ? 1 : -1;
      const compare = (first, second) => {
        if (!isNumeric) return sign * first.textContent.localeCompare(second.textContent, "en", { numeric: true });
        const [a, b] = [numberIn(first), numberIn(second)];
        return Number.isNaN(a) || Number.isNaN(b) ? Number.isNaN(a) - Number.isNaN(b) : sign * (a - b);
      };
      rows.sort((first, second) => compare(first.cells[column], second.cells[column]));
      body.append(...rows);
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
    }));
  }

  // Below each map lies the photograph; sliders and keys set how strongly the map covers it.
  for (const panes of document.querySelectorAll(".panes")) {
    const photograph = panes.querySelector("img.base");
    for (const map of panes.querySelectorAll("img.map")) {
      const below = photograph.cloneNode();
      below.alt = "";
      map.before(below);
    }
  }
  const sliders = [...document.querySelectorAll(".controls input")];
  const setStrength = (value) => {
    const percent = Math.min(100, Math.max(0, value));
    sliders.forEach((slider) => { slider.value = percent; });
    root.style.setProperty("--strength", percent / 100);
  };
  sliders.forEach((slider) => slider.addEventListener("input", () => setStrength(Number(slider.value))));
  const steps = { "+": 10, "=": 10, "-": -10 };
  document.addEventListener("keydown", (event) => {
    if (sliders.length && event.key in steps && !event.ctrlKey && !event.metaKey && !event.altKey) {
      setStrength(Number(sliders[0].value) + steps[event.key]);
    }
  });
})();

/* How the search page ranks: chapters before the glossary, and both before the API. Read by Sphinx (html_search_scorer). */
var Scorer = {
  // result: [page, title, anchor, description, score, file]
  score: ([page, , , , score]) => {
    if (page === "book/glossary") return score - 1;
    return page.startsWith("book/api") || page.startsWith("_modules") ? score - 30 : score;
  },
  // The numbers below are those of Sphinx.
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};

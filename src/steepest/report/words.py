"""Words for people: names at the beginning of a sentence, numbers of things, lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steepest.optim import make_spec, registry
from steepest.recipe import SUBJECTS
from steepest.wording import counted


def capital(text: str | None) -> str:
    """Return a text with its first letter upper case.

    Example:
        >>> capital("log loss")
        'Log loss'
    """
    text = text or ""
    return text[:1].upper() + text[1:]


def named(optimizer: str) -> str:
    """Return an optimizer's name for the beginning of a sentence: as papers write it, or as it was typed.

    Example:
        >>> [named(each) for each in ("sgd", "momentum", "mine", "torch:Adamax", "adam(lr=0.1)")]
        ['SGD', 'Momentum', 'Mine', 'torch:Adamax', 'adam(lr=0.1)']
    """
    if optimizer not in registry.entries:
        return capital(optimizer) if optimizer.isalpha() else optimizer
    title = make_spec(optimizer).title
    return title if title.lower() == optimizer else capital(optimizer)


def listed(names: Sequence[str], word: str = "and") -> str:
    """Return names as a list in a sentence.

    Example:
        >>> listed(["adam"]), listed(["adam", "sgd"]), listed(["adam", "sgd", "lion"])
        ('adam', 'adam and sgd', 'adam, sgd and lion')
        >>> listed(["adam, batch 32", "sgd, batch 32"])
        'adam, batch 32; and sgd, batch 32'
    """
    if len(names) == 1:
        return names[0]
    between, last = ("; ", f"; {word} ") if any(", " in each for each in names) else (", ", f" {word} ")
    return between.join(names[:-1]) + last + names[-1]


UNVARIED = {
    "one rate": "Use one learning rate for all parameters",
    "all trained": "Train all parameters",
    "fully fine-tuned": "Train all parameters",
}
"""What is recommended where parameters are not treated differently."""


@dataclass(frozen=True)
class Subject:
    """What a comparison is of, in words: the only factor that varies, or arms that differ in several.

    Attributes:
        factors: the factors in which arms differ.
        sets: test sets of each arm.
        own: names that the user gave arms; no sentence changes their first letter.
        rows: the rows that results are on.

    Example:
        >>> one, two = Subject(("model",)), Subject(("optimizer", "batch_size"))
        >>> one.one, one.many, one.choice
        ('model', 'models', 'the choice of model')
        >>> two.one, two.many, two.topics
        ('arm', 'arms', 'optimizers and batch sizes')
        >>> Subject(("train_rows",)).choice
        'the number of training rows'
    """

    factors: Sequence[str] = ("optimizer",)
    sets: int = 1
    own: Sequence[str] = ()
    rows: str = "test rows"

    @property
    def several(self) -> bool:
        """Whether arms differ in several factors."""
        return len(self.factors) > 1

    @property
    def _names(self) -> tuple[str, str]:
        return SUBJECTS[self.factors[0]] if len(self.factors) == 1 else ("arm", "arms")

    @property
    def one(self) -> str:
        """What an arm is called."""
        return self._names[0]

    @property
    def many(self) -> str:
        """What the arms are called."""
        return self._names[1]

    @property
    def topics(self) -> str:
        """What the comparison asks about."""
        return listed([SUBJECTS[each][1] for each in self.factors])

    @property
    def choice(self) -> str:
        """The choice between the levels of the only factor."""
        if list(self.factors) == ["rates"]:
            return "the rate multipliers"
        return f"the {self.one}" if " of " in self.one else f"the choice of {self.one}"

    @property
    def makes(self) -> str:
        """The verb of :attr:`choice`."""
        return "make" if list(self.factors) == ["rates"] else "makes"

    def name(self, title: str) -> str:
        """Return an arm's title in a sentence, in quotation marks where it is a list of levels.

        Example:
            >>> Subject(("optimizer", "model")).name("adam, linear"), Subject().name("sgd(lr=1, momentum=0.9)")
            ('“adam, linear”', 'sgd(lr=1, momentum=0.9)')
        """
        return f"“{title}”" if self.several and ", " in title else title

    def use(self, title: str) -> str:
        """Return the beginning of the sentence that recommends an arm.

        Example:
            >>> Subject().use("adam"), Subject(("freeze",)).use("all trained"), Subject(("freeze",)).use("fixed head")
            ('Use adam', 'Train all parameters', 'Do not train head')
            >>> Subject(("rates",)).use("one rate"), Subject(("rates",)).use("rates head=10")
            ('Use one learning rate for all parameters', 'Use the rate multipliers head=10')
            >>> Subject(("finetune",)).use("fully fine-tuned"), Subject(("finetune",)).use("fine-tuned last(2)")
            ('Train all parameters', 'Fine-tune last(2)')
        """
        if title not in self.own and list(self.factors) in (["rates"], ["freeze"], ["finetune"]):
            if title in UNVARIED:
                return UNVARIED[title]
            kind, _, values = title.partition(" ")
            verb = {"rates": "Use the rate multipliers", "fine-tuned": "Fine-tune"}.get(kind, "Do not train")
            return f"{verb} {values}"
        return f"Use {self.name(title)}"

    def begin(self, title: str) -> str:
        """Return an arm's title at the beginning of a sentence.

        Example:
            >>> Subject().begin("momentum"), Subject(own=("wide",)).begin("wide")
            ('Momentum', 'wide')
        """
        return title if title in self.own else named(self.name(title))

    def sentence(self, text: str) -> str:
        """Return a sentence with its first letter upper case, unless it begins with a name of the user's.

        Example:
            >>> Subject(own=("wide",)).sentence("wide is best."), Subject().sentence("the model matters.")
            ('wide is best.', 'The model matters.')
        """
        return text if text.startswith(tuple(f"{name} " for name in self.own)) else capital(text)

    def network(self, title: str) -> str:
        """Return the network of an arm.

        Example:
            >>> Subject().network("adam"), Subject(("schedule",)).network("cosine schedule")
            ('the network trained with adam', 'the best network (cosine schedule)')
        """
        trained = list(self.factors) == ["optimizer"]
        return f"the network trained with {title}" if trained else f"the best network ({title})"

    def runs(self, seeds: int) -> str:
        """Return how many runs a mean is over.

        Example:
            >>> Subject().runs(5), Subject(sets=3).runs(2)
            ('5 seeds', '3 test sets × 2 seeds')
        """
        found = counted(seeds, "seed")
        return found if self.sets == 1 else f"{self.sets} test sets × {found}"


def cell_text(factor: str, level: str) -> str:
    """Return a level below a heading that names its factor.

    Example:
        >>> cell_text("batch_size", "batch 16"), cell_text("train_rows", "10 % of the rows")
        ('16', '10 %')
    """
    ends = {"schedule": " schedule", "labels": " labels"}
    if factor == "train_rows":
        amount, by, seed = level.partition(" by run seed")
        return f"{amount.removesuffix(' of the rows').removesuffix(' rows')}{by}{seed}"
    return (
        level.removeprefix("batch ") if factor == "batch_size" else level.removesuffix(ends.get(factor, ""))
    )

"""The claims by name, in the order they are run. Nothing heavy is imported: ``--help`` and ``--list`` answer at once."""

__all__ = ["BUDGETS", "CLAIMS", "module_of"]

BUDGETS = ("small", "full")

CLAIMS = {
    "vincent-identity": "a denoising autoencoder learns the score: its loss is 2σ⁴ times that of score matching (Vincent 2011)",
    "circle-field": "an estimated score is right near the data only (Song & Ermon 2019, Fig. 2)",
    "langevin-weights": "Langevin dynamics mistakes the weights of modes, annealing does not (Song & Ermon 2019, Fig. 3)",
    "ring-mixing": "one noise level does not mix eight modes, annealing does",
    "step-size-sweep": "annealed Langevin dynamics works in a window of step sizes that more steps widen",
    "predictor-corrector": "at equal cost predictor-corrector beats predictor beats corrector (Song et al. 2021, Table 1)",
    "likelihoods": "the probability flow computes exact likelihoods (Song et al. 2021, section 4.3)",
    "ode-equals-sde": "the probability flow and the reverse SDE reach one distribution (Song et al. 2021, section 4.3)",
    "solver-orders": "Euler and DDIM are of order 1, Heun and DPM-Solver++(2M) of order 2",
    "ablation-levels": "one noise level fails, ten work, fifty need a step size by rule",
    "ncsnv2-techniques": "each of the five techniques of NCSNv2 helps (Song & Ermon 2020)",
    "mnist-samplers": "on one network the probability flow draws as well as samplers that add noise, for less (Song et al. 2021)",
    "mnist-predictor-corrector": "the same order on a learned score: predictor-corrector beats predictor beats corrector",
    "mnist-mixing": "at one noise level chains keep to the digit they start from, annealed they visit all (Song & Ermon 2019)",
    "mnist-ladders": "on MNIST one noise level fails, ten work, and fifty with a step by rule (Song & Ermon 2019, 2020)",
    "mnist-classes": "the digit asked for is drawn, by a network trained with labels or by a classifier (Song et al. 2021, section 5)",
    "mnist-inpainting": "what is known of a digit restores what is hidden, posterior guidance no worse than replacement",
    "mnist-unbalanced": "a model of unbalanced data draws its classes in the data's proportions",
    "mnist-memory": "samples are not copies of training examples (Song & Ermon 2019, appendix C.3)",
    "noise-helps-sliced": "a little noise steadies sliced score matching on images (Song & Ermon 2019, Fig. 1)",
}
"""Name and summary of every claim."""


def module_of(name: str) -> str:
    """Return the module whose ``CLAIM`` is the claim of a name: ``scorefield_claims.claims.a_name`` for ``a-name``."""
    return f"scorefield_claims.claims.{name.replace('-', '_')}"

"""Claims of papers, measured with `scorefield`: a typed recipe runs to a verdict, a figure and rows.

To add a claim: write ``claims/my_claim.py`` with a `Claim` called ``CLAIM``, and add a line to `scorefield_claims.catalogue`.
"""

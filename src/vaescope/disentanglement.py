"""Disentanglement: scores of codes against factors, and the unsupervised ranking of runs that differ in the seed.

`scores(codes, factors)` gives all of them; each is also a class with its options. At every snapshot of a study:
`vaescope.open(DIR).examined("disentanglement")`.
"""

from vaescope.stats.code_score import CODE_SCORES as CODE_SCORES
from vaescope.stats.code_score import CodeScore as CodeScore
from vaescope.stats.code_score import scores as scores
from vaescope.stats.disentanglement.beta_vae_score import BetaVAEScore as BetaVAEScore
from vaescope.stats.disentanglement.dci_completeness import DCICompleteness as DCICompleteness
from vaescope.stats.disentanglement.dci_disentanglement import DCIDisentanglement as DCIDisentanglement
from vaescope.stats.disentanglement.dci_informativeness import DCIInformativeness as DCIInformativeness
from vaescope.stats.disentanglement.explicitness import Explicitness as Explicitness
from vaescope.stats.disentanglement.factor_vae_score import FactorVAEScore as FactorVAEScore
from vaescope.stats.disentanglement.irs import IRS as IRS
from vaescope.stats.disentanglement.mig import MIG as MIG
from vaescope.stats.disentanglement.modularity import Modularity as Modularity
from vaescope.stats.disentanglement.sap import SAP as SAP
from vaescope.stats.labelled import Labelled as Labelled
from vaescope.stats.udr import UDR as UDR
from vaescope.stats.udr import udr as udr
from vaescope.stats.udr import udr_table as udr_table
from vaescope.stats.udr_runs import udr_of as udr_of

"""What each latent does: kinds, information, collapse, the aggregate posterior, and how many latents are needed.

Functions of posterior means and log variances (n examples, d latents), and of the tables that
`vaescope.open(DIR).examined("latents")` and `examined("posterior")` give.
"""

from vaescope.stats.latents.aggregate import Marginal as Marginal
from vaescope.stats.latents.aggregate import aggregate_covariance as aggregate_covariance
from vaescope.stats.latents.aggregate import gaussian_total_correlation as gaussian_total_correlation
from vaescope.stats.latents.aggregate import marginals as marginals
from vaescope.stats.latents.collapse import histories as histories
from vaescope.stats.latents.collapse import over_runs as over_runs
from vaescope.stats.latents.dimension import intrinsic_dimension as intrinsic_dimension
from vaescope.stats.latents.dimension import maximum_likelihood_dimension as maximum_likelihood_dimension
from vaescope.stats.latents.dimension import two_nn_dimension as two_nn_dimension
from vaescope.stats.latents.fondue import Choice as Choice
from vaescope.stats.latents.fondue import Trial as Trial
from vaescope.stats.latents.fondue import choose_latents as choose_latents
from vaescope.stats.latents.gauge import active_of as active_of
from vaescope.stats.latents.gauge import expected_mean_sampled as expected_mean_sampled
from vaescope.stats.latents.gauge import expected_two_draws as expected_two_draws
from vaescope.stats.latents.gauge import gauge as gauge
from vaescope.stats.latents.kinds import Thresholds as Thresholds
from vaescope.stats.latents.kinds import kinds as kinds
from vaescope.stats.latents.over_training import over_training as over_training
from vaescope.stats.latents.posterior import active_units as active_units
from vaescope.stats.latents.posterior import information as information
from vaescope.stats.latents.posterior import kl_per_latent as kl_per_latent
from vaescope.stats.latents.posterior import mean_variances as mean_variances
from vaescope.stats.latents.surgery import Surgery as Surgery
from vaescope.stats.latents.surgery import surgery as surgery
from vaescope.stats.latents.tables import latent_table as latent_table
from vaescope.stats.latents.tables import posterior_row as posterior_row

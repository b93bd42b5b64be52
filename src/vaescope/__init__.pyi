from .console import show_progress as show_progress
from .data.load import load_dataset as load_dataset
from .pipeline import lent as lent
from .pipeline import load_study as load_study
from .pipeline import run as run
from .stats.certainty.ceiling import between_floor_and_ceiling as between_floor_and_ceiling
from .stats.certainty.ceiling import noise_ceiling as noise_ceiling
from .stats.certainty.components import component_curve as component_curve
from .stats.certainty.corrections import adjusted as adjusted
from .stats.certainty.influence import influence as influence
from .stats.certainty.influence import leave_one_out as leave_one_out
from .stats.certainty.influence import without_top as without_top
from .stats.certainty.intervals import bootstrap_over_seeds as bootstrap_over_seeds
from .stats.certainty.intervals import over_seed_pairs as over_seed_pairs
from .stats.certainty.intervals import over_seeds as over_seeds
from .stats.certainty.null import expected_cka as expected_cka
from .stats.certainty.participation import participation_ratio as participation_ratio
from .stats.certainty.sweep import n_sweep as n_sweep
from .stats.forms.posterior import gaussian as gaussian
from .stats.results import Results as Results
from .stats.results import open as open
from .stats.similarity import similarity as similarity
from .stats.streaming.estimator import StreamingCKA as StreamingCKA
from .stats.streaming.metric import streaming_cka_metric as streaming_cka_metric
from .zoo import SimilarityMatrix as SimilarityMatrix
from .zoo import similarity_matrix as similarity_matrix

__version__: str

"""Learning dynamics: when layers settle, how far the encoder leads, what layers depend on, and what to doubt.

Functions of the tables that `vaescope.open(DIR).examined(...)` gives ("references", "wiring", "readings", "shapes", …)
and that `vaescope.open(DIR).evidence()` holds; `vaescope.stats.evidence` lists their columns.
"""

from vaescope.stats.dynamics.alignment import appearance as appearance
from vaescope.stats.dynamics.alignment import over_runs as over_runs
from vaescope.stats.dynamics.alignment import over_steps as over_steps
from vaescope.stats.dynamics.controls import control_leads as control_leads
from vaescope.stats.dynamics.controls import early_or_alike as early_or_alike
from vaescope.stats.dynamics.curves import corrected as corrected
from vaescope.stats.dynamics.curves import intervals as intervals
from vaescope.stats.dynamics.decomposition import decomposition as decomposition
from vaescope.stats.dynamics.flags import flags as flags
from vaescope.stats.dynamics.flags import summary as summary
from vaescope.stats.dynamics.hierarchy import Estimate as Estimate
from vaescope.stats.dynamics.hierarchy import Estimates as Estimates
from vaescope.stats.dynamics.hierarchy import estimate as estimate
from vaescope.stats.dynamics.hierarchy import estimates as estimates
from vaescope.stats.dynamics.hierarchy import sign_flip as sign_flip
from vaescope.stats.dynamics.leads import lead_table as lead_table
from vaescope.stats.dynamics.leads import leads as leads
from vaescope.stats.dynamics.readings import table as readings_table
from vaescope.stats.dynamics.sensitivity import abroad as abroad
from vaescope.stats.dynamics.sensitivity import sensitivity as sensitivity
from vaescope.stats.dynamics.settling import settling_steps as settling_steps
from vaescope.stats.dynamics.settling import settling_table as settling_table

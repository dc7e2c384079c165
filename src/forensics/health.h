/* What the files of `nilu_health_of` share. */
#ifndef FORENSICS_HEALTH_H
#define FORENSICS_HEALTH_H

#include "forensics/forensics.h"
#include "train/train.h"

#define REPLAY_SECONDS 60.0
/* Replays a run that diverged, and finds the node that made the first bad number. */
nilu_status health_first_fault(nilu *nl, const nilu_run *run, nilu_data *data, nilu_first_fault *out);

#endif

#!/bin/bash
# sbatch --nodes 8 recipes/cluster/slurm.sh recipes/cluster/70b.yaml
# A job that is cancelled or runs out of time is resumed by the same command.
#SBATCH --job-name=gradmask
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=96
#SBATCH --signal=TERM@300
#SBATCH --requeue
set -euo pipefail
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun torchrun --nnodes "$SLURM_NNODES" --nproc-per-node 8 --rdzv-backend c10d --rdzv-id "$SLURM_JOB_ID" \
  --rdzv-endpoint "$head:29500" -m gradmask train "$@"

// The device kernels, one per line of device_ops.def.
#pragma once

#include "executor/ops/attention_device.h"
#include "executor/ops/columns_device.h"
#include "executor/ops/cross_entropy_device.h"
#include "executor/ops/dropout_device.h"
#include "executor/ops/embedding_device.h"
#include "executor/ops/linear_device.h"
#include "executor/ops/optimizer_device.h"
#include "executor/ops/pointwise_device.h"
#include "executor/ops/rms_norm_device.h"
#include "executor/ops/rope_device.h"

/* Stands in for CUDA's driver on hosts that have none: without a libcuda.so.1, MXNet for GPUs cannot be imported.
 *
 * It lies in /usr/lib, which the loader searches last, so a driver that NVIDIA's runtime mounts is found first. Every
 * function returns CUDA_ERROR_NO_DEVICE. These are the functions that libmxnet.so links, and the two that count GPUs.
 */
#define NO_DEVICE(name) int name(void) { return 100; }

NO_DEVICE(cuInit)
NO_DEVICE(cuDeviceGetCount)
NO_DEVICE(cuDeviceGet)
NO_DEVICE(cuDevicePrimaryCtxRetain)
NO_DEVICE(cuGetErrorString)
NO_DEVICE(cuGraphKernelNodeGetParams)
NO_DEVICE(cuGraphNodeGetType)
NO_DEVICE(cuLaunchKernel)
NO_DEVICE(cuModuleGetFunction)
NO_DEVICE(cuModuleLoadData)
NO_DEVICE(cuModuleLoadDataEx)
NO_DEVICE(cuModuleUnload)

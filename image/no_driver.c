/* Stands in for CUDA's driver on hosts that have none: without some libcuda.so.1, MXNet for GPUs cannot be imported.
 *
 * It lies in /usr/lib, which the loader searches last: a driver that NVIDIA's runtime mounts comes first. Every function
 * answers CUDA_ERROR_NO_DEVICE. They are those that libmxnet.so links, and the two by which one asks for GPUs.
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

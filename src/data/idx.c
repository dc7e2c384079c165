/* IDX, the format of MNIST (LeCun, Cortes, Burges): two zero bytes, a type code, the number of dimensions, each dimension
 * as four bytes, then the elements; all big-endian. */
#include "data/data.h"

nilu_status data_idx_header(nilu *nl, data_array *a)
{
    const char *path = a->file.path;
    unsigned char head[4 + 4 * NILU_MAX_RANK];
    if (!data_file_at(&a->file, 0, head, 4))
        return base_fail(nl, NILU_E_FILE_CORRUPT, N_("%s: ends before the 4 bytes that begin an IDX file"), path);
    if (head[0] || head[1])
        return base_fail(nl, NILU_E_FILE_CORRUPT, N_("%s: is no IDX file: it begins with %02x %02x instead of 00 00"),
                         path, head[0], head[1]);
    switch (head[2]) {
    case 0x08:
        a->type = DATA_U8;
        break;
    case 0x09:
        a->type = DATA_I8;
        break;
    case 0x0b:
        a->type = DATA_I16;
        break;
    case 0x0c:
        a->type = DATA_I32;
        break;
    case 0x0d:
        a->type = DATA_F32;
        break;
    case 0x0e:
        a->type = DATA_F64;
        break;
    default:
        return base_fail(nl, NILU_E_FILE_CORRUPT, N_("%s: has type code 0x%02x, which IDX does not know"), path,
                         head[2]);
    }
    int rank = head[3];
    if (rank < 1 || rank > NILU_MAX_RANK)
        return base_fail(nl, NILU_E_FILE_CORRUPT, N_("%s: claims %d dimensions; 1 to %d are possible"), path, rank,
                         NILU_MAX_RANK);
    if (!data_file_at(&a->file, 4, head + 4, (size_t)rank * 4))
        return base_fail(nl, NILU_E_FILE_CORRUPT, N_("%s: ends within its header of %d dimensions"), path, rank);
    a->big_endian = true;
    a->fortran = false;
    a->offset = 4 + 4 * (uint64_t)rank;
    a->shape.rank = rank;
    for (int i = 0; i < rank; i++) {
        const unsigned char *d = head + 4 + 4 * i;
        a->shape.dim[i] = (int64_t)((uint32_t)d[0] << 24 | (uint32_t)d[1] << 16 | (uint32_t)d[2] << 8 | d[3]);
    }
    return data_array_check(nl, a, a->file.size - a->offset);
}

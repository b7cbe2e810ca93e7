// What many runs come down to.
#ifndef MYONLY_TOOLS_BENCH_STATISTICS_H_
#define MYONLY_TOOLS_BENCH_STATISTICS_H_

#include <vector>

namespace myonly::bench {

// The value that `share` (0 to 1) of the values don't exceed; between two
// values it is drawn in a straight line. 0.5 gives the median, 0.25 and 0.75
// the quartiles. 0 if there are no values.
double Quantile(std::vector<double> values, double share);

// 0 if there are no values or one isn't positive.
double GeometricMean(const std::vector<double>& values);

}  // namespace myonly::bench

#endif  // MYONLY_TOOLS_BENCH_STATISTICS_H_

-- Subtotals are before discounts.
WITH amounts AS (
  SELECT *, coalesce(number("RefundedAmount", '.'), number("Refunded Amount", '.')) AS refunded,
    coalesce(number("Discount Amount", '.'), 0) + coalesce(number("Coupon Discount", '.'), 0) AS discount
  FROM orders)
SELECT _file, _line, "Order ID", "Date Created", "Date Modified", "Billing Email", "Customer ID", "Total Inc Tax",
  "Default Currency Code", "Payment Method", lower("Status") AS status, coalesce("Items Total", '1') AS items,
  number("Subtotal Ex Tax", '.') - discount AS goods,
  number("Subtotal Inc Tax", '.') - number("Subtotal Ex Tax", '.') AS tax,
  coalesce(number("Shipping Cost Inc Tax", '.'), 0) + coalesce(number("Handling Cost Inc Tax", '.'), 0)
    + coalesce(number("Wrapping Cost Inc Tax", '.'), 0) AS shipping,
  CASE WHEN lower("Status") = 'refunded' AND coalesce(refunded, 0) = 0 THEN "Total Inc Tax"
    WHEN lower("Status") = 'partially refunded' AND coalesce(refunded, 0) = 0 THEN 'unknown'
    ELSE refunded::TEXT END AS order_refunded
FROM amounts

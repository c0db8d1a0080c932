-- A status is all that the export says of a refund.
SELECT _file, _line, "ID", lower("Customer") AS customer, "Total", "Payment", "Date", lower("Status") AS status,
  CASE WHEN lower("Status") = 'refunded' THEN "Total" WHEN lower("Status") LIKE 'partial%refund%' THEN 'unknown' END
    AS order_refunded
FROM orders

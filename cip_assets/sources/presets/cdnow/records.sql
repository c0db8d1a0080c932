-- A customer may have several orders on a day, which may be equal.
WITH named AS (
  SELECT _file, _line, column_1 AS customer, if(column_5 IS NULL, column_2, column_3) AS day,
    if(column_5 IS NULL, column_3, column_4) AS quantity, coalesce(column_5, column_4) AS amount
  FROM records
)
SELECT *, concat_ws('-', customer, day, row_number() OVER (PARTITION BY _file, customer, day ORDER BY _line)) AS "order"
FROM named
